"""The command line. Thin: it only calls the floors below."""
