"""Components that more than one engine uses."""
