"""The tests of Pilotage; README.md says how they are laid out."""
