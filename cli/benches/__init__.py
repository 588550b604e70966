"""Long measurements."""
