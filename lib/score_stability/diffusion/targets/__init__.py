"""Population laws whose noised score is known exactly.

Each target knows, at every time t > 0: its noised log density log p_t, the posterior mean
E[X_0 | X_t], the score ∇log p_t, and the constant C_t = E|∇log p_{t|0} − ∇log p_t|² (score
units), so that C_sm = ∫ C_t tau(dt). Targets with compact support also know the first-order
constants of the empirical score (theorem proved in the notebook on Proposition 6):

    N² eps_stab,t² → V_t = E[(r² + r)|g − s*|²],     N E l_sm,t → B_t = E[r |g − s*|²],

with g = ∇log p_{t|0}(X_t | x̃), s* = ∇log p_t and r = p(x̃ | X_t)/nu(x̃). All are deterministic
quadratures; no Monte Carlo.
"""
