"""Commands of ``tercet sim``, one module per engine."""
