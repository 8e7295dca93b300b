"""Tests of media/call."""
