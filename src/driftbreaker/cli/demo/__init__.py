"""`driftbreaker demo`: the main job on real prices, told on one screen."""
