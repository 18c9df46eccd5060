"""Training: generated scenes, losses, the loop, and fine-tuning on a user's own pairs."""
