"""What a repository promises, whatever the database."""
