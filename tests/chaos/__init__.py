"""Chaos: the real system under load while a seeded tormentor breaks whatever it leans on."""
