// A real OpenID provider on a free port of 127.0.0.1, for tests. Its first line of output says where it is.
//
// Each line of input `rotate` gives it another signing key, `both` lets it publish the new one beside the old.
// Accounts are made as they log in: `ada@acme.example` is in the groups `analysts` and `readers`.

import http from 'node:http';
import readline from 'node:readline';
import { generateKeyPair, exportJWK } from 'jose';
import { Provider } from 'oidc-provider';

const GROUPS = { 'ada@acme.example': ['analysts', 'readers'], 'bob@acme.example': [] };

let made = 0;
async function newKey(alg) {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  made += 1;
  return { ...(await exportJWK(privateKey)), kid: `key-${made}`, alg, use: 'sig' };
}

const server = http.createServer();
await new Promise((ready) => server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', ready));
const issuer = `http://127.0.0.1:${server.address().port}`;

let keys = [await newKey('RS256')];
let handler;
function begin() {
  const provider = new Provider(issuer, {
    jwks: { keys },
    clients: [
      {
        client_id: 'doorward-cli',
        token_endpoint_auth_method: 'none',
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
        response_types: [],
        redirect_uris: [],
        application_type: 'native',
      },
      {
        client_id: 'billing',
        client_secret: 'billing-secret',
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
      },
    ],
    claims: { openid: ['sub', 'email', 'groups'], profile: ['name'] },
    conformIdTokenClaims: false,
    scopes: ['openid', 'offline_access', 'profile'],
    ttl: { IdToken: 3600, AccessToken: Number(process.env.TTL ?? 600), ClientCredentials: Number(process.env.TTL ?? 600), DeviceCode: 600 },
    findAccount: (_ctx, id) => ({
      accountId: id,
      claims: async () => ({ sub: id, email: id, name: id, groups: GROUPS[id] ?? [] }),
    }),
    extraTokenClaims: (_ctx, token) => {
      if (token.kind === 'ClientCredentials') return { doorward_kind: 'service', groups: ['billing'] };
      return { groups: GROUPS[token.accountId] ?? [], email: token.accountId };
    },
    features: {
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      devInteractions: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'urn:doorward',
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, resource) => ({
          scope: 'openid',
          audience: resource,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: keys[0].alg } },
        }),
      },
    },
  });
  handler = provider.callback();
}
begin();
server.on('request', (request, response) => handler(request, response));

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const [command, alg] = line.split(' ');
  if (command === 'rotate') keys = [await newKey(alg ?? 'RS256')];
  else if (command === 'both') keys = [await newKey(alg ?? 'RS256'), ...keys];
  else return;
  begin();
  console.log(JSON.stringify({ kid: keys[0].kid }));
}).on('close', () => process.exit(0));

console.log(JSON.stringify({ issuer }));
