"""What the api, the labeller and the notifier share: records, bytes, queues and their rules."""
