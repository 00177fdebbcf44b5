"""What scripts/attack is made of."""
