"""Losses in the form that other libraries call: one module for each library, none of which is imported here."""
