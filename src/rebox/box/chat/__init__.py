"""Chat models as boxes."""
