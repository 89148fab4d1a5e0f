"""Bring your own: ratings and metric values that were made elsewhere take the way of a study's."""
