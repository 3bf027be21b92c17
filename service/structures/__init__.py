"""The values of the domain: boxes, masks, detections, tubelets, frame sizes."""
