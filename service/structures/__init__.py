"""Domain types: boxes, masks, detections, tubelets, frame sizes."""
