"""RTL of the tensor core."""
