"""Components used by more than one engine."""
