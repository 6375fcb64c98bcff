"""What it costs, side by side with what it could cost at best and what others cost, in one run."""
