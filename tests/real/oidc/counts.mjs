// What became of refresh tokens, as the provider's own events tell it.

/** Counts from now on, and answers the path with the counts as JSON. */
export function counted(provider, path) {
  const counts = { refreshed: 0, refused: 0, reused: 0, revoked: 0 };

  const refreshes = (ctx) => ctx.oidc.params?.grant_type === 'refresh_token';

  provider.on('grant.success', (ctx) => {
    if (refreshes(ctx)) counts.refreshed += 1;
  });
  provider.on('grant.error', (ctx) => {
    if (!refreshes(ctx)) return;
    counts.refused += 1;
    // The provider found the token, and that it had been used before.  Once
    // its grant is revoked for that, the same token is just not found.
    if (ctx.oidc.entities.RefreshToken?.consumed) counts.reused += 1;
  });
  // Once for each grant: for a second use of a refresh token or of a code, and
  // where a client has its refresh token revoked.
  provider.on('grant.revoked', () => {
    counts.revoked += 1;
  });

  // Stands before the provider's own routes.
  provider.use(async (ctx, next) => {
    if (ctx.path === path) {
      ctx.body = counts;
    } else {
      await next();
    }
  });
}
