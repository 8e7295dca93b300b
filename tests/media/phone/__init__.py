"""Tests of media/phone."""
