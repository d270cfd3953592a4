// An OAuth server for tests: oidc-provider, with the clients that a hub is
// registered as, and a count of what became of refresh tokens.
//
// PORT                  where it listens, on 127.0.0.1 only
// ACCESS_TOKEN_SECONDS  how long an access token is good for; 5 if not said

import Provider from 'oidc-provider';
import MemoryAdapter from 'oidc-provider/lib/adapters/memory_adapter.js';

import { counted } from './counts.mjs';

const DAY = 24 * 60 * 60;
const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const SCOPES = ['contacts.read', 'contacts.write'];

const port = Number(process.env.PORT);
const accessTokenSeconds = Number(process.env.ACCESS_TOKEN_SECONDS ?? 5);
const issuer = `http://127.0.0.1:${port}`;

// What is registered as native may come back to any port of loopback (RFC 8252,
// section 7.3): a test's listener has another one each time.
const atABrowser = {
  application_type: 'native',
  grant_types: ['authorization_code', 'refresh_token', DEVICE],
  response_types: ['code'],
  redirect_uris: ['http://127.0.0.1/callback'],
  scope: ['openid', 'offline_access', ...SCOPES].join(' '),
};
const withoutABrowser = { redirect_uris: [], response_types: [] };

const clients = [
  {
    ...atABrowser,
    client_id: 'hub',
    client_secret: 'the-secret-of-the-hub',
    token_endpoint_auth_method: 'client_secret_basic',
  },
  { ...atABrowser, client_id: 'desk', token_endpoint_auth_method: 'none' },
  {
    ...withoutABrowser,
    client_id: 'service',
    client_secret: 'the-secret-of-the-service',
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: ['client_credentials'],
    scope: SCOPES.join(' '),
  },
  // What a system asks about a token that it was shown.
  {
    ...withoutABrowser,
    client_id: 'system',
    client_secret: 'the-secret-of-the-system',
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: [],
  },
];

// The provider's own storage forgets all but the last thousand or two things.
// A long test would lose refresh tokens that nobody used for a while, and the
// used ones by which a second use is recognized; a plain map keeps them all.
const store = new Map();

const provider = new Provider(issuer, {
  adapter: (model) => new MemoryAdapter(model, store),
  clients,
  scopes: ['openid', 'offline_access', ...SCOPES],
  // Whoever gives a login is that person.
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: (_, client, source) =>
    client.grantTypeAllowed('refresh_token') && source.scopes.has('offline_access'),
  cookies: { keys: ['what-cookies-are-signed-with'] },
  ttl: {
    AccessToken: accessTokenSeconds,
    ClientCredentials: accessTokenSeconds,
    AuthorizationCode: 60,
    DeviceCode: 600,
    IdToken: 600,
    Interaction: 600,
    Grant: DAY,
    RefreshToken: DAY,
    Session: DAY,
  },
  features: {
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    devInteractions: { enabled: true },
    dPoP: { enabled: true },
    introspection: {
      enabled: true,
      allowedPolicy: (_, client, token) =>
        client.clientId === 'system' || client.clientId === token.clientId,
    },
    pushedAuthorizationRequests: { enabled: true },
    revocation: { enabled: true },
  },
});

counted(provider, '/_test/counts');
provider.listen(port, '127.0.0.1', () => console.log(`listening on ${issuer}`));
