"""The commands about incidents."""
