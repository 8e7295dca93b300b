"""The media server: a B2BUA that answers callers, leads them through the menu, dials seats and records."""
