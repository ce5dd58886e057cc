"""Published features: one module per layout, and their conversion into features.h5."""
