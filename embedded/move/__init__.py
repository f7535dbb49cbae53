"""Move a data folder into a stack on AWS."""
