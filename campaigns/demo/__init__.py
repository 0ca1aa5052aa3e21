"""The demonstration: a made-up bookshop that walks the whole main job once, for real."""
