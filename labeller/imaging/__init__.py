"""From bytes to pixels: type, limits, decoding, resizing, thumbnails, conversion."""
