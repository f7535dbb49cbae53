"""The labeller: finds the labels of uploaded pictures and records them."""
