# The causes of the layer cloud.
