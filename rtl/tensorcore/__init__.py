"""The tensor core."""
