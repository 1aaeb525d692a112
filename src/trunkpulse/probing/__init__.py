"""Sends every target its OPTIONS on time and hands on what came back."""
