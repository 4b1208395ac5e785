# The causes of the layer http.
