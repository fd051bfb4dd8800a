"""The door for people: parse, call one service, show the answer."""
