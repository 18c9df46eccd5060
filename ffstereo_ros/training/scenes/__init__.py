"""Generated rectified pairs with exact disparity: analytic layers, sampled in both views at float coordinates."""
