// npm's oidc-provider, set up to do what the bench asks of us: the same client, scopes, lifetimes and algorithm.
// What it keeps is in a Map of this process: nothing survives its end, and nothing is written anywhere.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import Provider from 'oidc-provider';

const { PORT, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, CODE_SECONDS, ACCESS_TOKEN_SECONDS } = process.env;
const issuer = `http://localhost:${PORT}`;
const GRANTED = 'openid profile email offline_access';
const PERSON = {
  sub: 'person-1', name: 'Odile Fictive', family_name: 'Fictive', given_name: 'Odile', locale: 'fr',
  email: 'odile@example.org', email_verified: true,
};

const kept = new Map();
const ofGrant = new Map();
const seconds = () => Math.floor(Date.now() / 1000);

class Kept {
  constructor(model) { this.model = model; }

  key(id) { return `${this.model}:${id}`; }

  async upsert(id, payload, expiresIn) {
    kept.set(this.key(id), { payload, ends: expiresIn ? seconds() + expiresIn : Infinity });
    if (payload.uid) kept.set(`uid:${payload.uid}`, { payload, ends: expiresIn ? seconds() + expiresIn : Infinity });
    if (payload.grantId && this.model !== 'Session') {
      if (!ofGrant.has(payload.grantId)) ofGrant.set(payload.grantId, new Set());
      ofGrant.get(payload.grantId).add(this.key(id));
    }
  }

  async find(id) { return living(this.key(id)); }

  async findByUid(uid) { return living(`uid:${uid}`); }

  async findByUserCode() { return undefined; }

  async consume(id) { kept.get(this.key(id)).payload.consumed = seconds(); }

  async destroy(id) { kept.delete(this.key(id)); }

  async revokeByGrantId(grantId) {
    for (const key of ofGrant.get(grantId) ?? []) kept.delete(key);
    ofGrant.delete(grantId);
  }
}

function living(key) {
  const found = kept.get(key);
  return found && found.ends > seconds() ? found.payload : undefined;
}

function sweep() {
  for (const [key, { ends }] of kept) if (ends <= seconds()) kept.delete(key);
  for (const [grant, keys] of ofGrant) {
    for (const key of keys) if (!kept.has(key)) keys.delete(key);
    if (!keys.size) ofGrant.delete(grant);
  }
}

const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });

const provider = new Provider(issuer, {
  adapter: Kept,
  jwks: { keys: [{ ...key, use: 'sig', alg: 'ES256', kid: 'one' }] },
  cookies: { keys: [randomBytes(32).toString('base64url')] },
  clients: [{
    client_id: CLIENT_ID,
    client_secret: CLIENT_SECRET,
    redirect_uris: [REDIRECT_URI],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_basic',
    id_token_signed_response_alg: 'ES256',
    scope: GRANTED,
  }],
  scopes: GRANTED.split(' '),
  claims: {
    openid: ['sub'], email: ['email', 'email_verified'],
    profile: ['name', 'family_name', 'given_name', 'locale'],
  },
  findAccount: async (_ctx, id) => ({ accountId: id, claims: async () => PERSON }),
  pkce: { required: () => true },
  rotateRefreshToken: true,
  features: {
    devInteractions: { enabled: false },
    dPoP: { enabled: false },
    introspection: { enabled: true },
    revocation: { enabled: true },
  },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  ttl: {
    AccessToken: Number(ACCESS_TOKEN_SECONDS), AuthorizationCode: Number(CODE_SECONDS), IdToken: 300,
    Interaction: 3600, Session: 43200, Grant: 43200, RefreshToken: 86400,
  },
});

// Whoever must be asked has answered rightly already: only the steps before the measured ones come here.
provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/interaction/')) return next();
  const { prompt, params, session } = await provider.interactionDetails(ctx.req, ctx.res);
  const result = {};
  if (prompt.name === 'login') {
    result.login = { accountId: PERSON.sub, amr: ['pwd', 'otp'] };
  } else {
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(GRANTED);
    result.consent = { grantId: await grant.save() };
  }
  ctx.respond = false;
  return provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: true });
});

setInterval(sweep, 60_000);
provider.listen(Number(PORT), '127.0.0.1', () => console.log('ready'));
