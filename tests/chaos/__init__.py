"""Chaos: the real system under load, while a seeded tormentor breaks what it depends on."""
