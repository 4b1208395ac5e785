# The causes of the layer quota.
