"""From bytes to pixels: type, limits, decoding, resizing, thumbnails, conversion."""

import os

os.environ["VIPS_WARNING"] = "0"  # libvips prints no warnings of odd images
