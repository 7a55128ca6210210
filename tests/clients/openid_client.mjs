// A small portal on npm's openid-client: /login begins a sign-in, /callback finishes it and tells what it learnt.
import http from 'node:http'
import * as client from 'openid-client'

const { issuer, clientId, secret, auth, key, algorithm, scope, port } = JSON.parse(process.env.PORTAL)
const home = `http://localhost:${port}`

async function authentication() {
  if (auth === 'client_secret_post') return client.ClientSecretPost(secret)
  if (auth === 'none') return client.None()
  if (auth === 'private_key_jwt') {
    const ways = {
      ES256: { name: 'ECDSA', namedCurve: 'P-256' },
      RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
      PS256: { name: 'RSA-PSS', hash: 'SHA-256' },
    }
    const imported = await crypto.subtle.importKey('jwk', key, ways[key.alg], false, ['sign'])
    return client.PrivateKeyJwt({ key: imported, kid: key.kid })
  }
  return client.ClientSecretBasic(secret)
}

const metadata = { id_token_signed_response_alg: algorithm }
const config = await client.discovery(new URL(issuer), clientId, metadata, await authentication(), {
  execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
})
const begun = new Map() // by state

const pages = {
  async '/login'(url) {
    const verifier = client.randomPKCECodeVerifier()
    const state = client.randomState()
    const nonce = client.randomNonce()
    begun.set(state, { verifier, nonce })
    const wishes = Object.fromEntries(url.searchParams)
    const to = client.buildAuthorizationUrl(config, {
      redirect_uri: `${home}/callback`,
      scope,
      state,
      nonce,
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...wishes,
    })
    return { to: to.href }
  },

  async '/callback'(url) {
    const state = url.searchParams.get('state')
    const { verifier, nonce } = begun.get(state)
    const tokens = await client.authorizationCodeGrant(config, url, {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
      idTokenExpected: true,
    })
    return { told: await everything(tokens) }
  },

  async '/logout'(url) {
    const end = client.buildEndSessionUrl(config, {
      id_token_hint: url.searchParams.get('id_token'),
      post_logout_redirect_uri: `${home}/signed-out`,
      state: 'back-from-logout',
    })
    return { to: end.href }
  },

  async '/signed-out'(url) {
    return { told: Object.fromEntries(url.searchParams) }
  },
}

async function everything(tokens) {
  const claims = tokens.claims()
  const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
  const told = { claims, userinfo, id_token: tokens.id_token, refreshed: refreshed.claims(), scope: tokens.scope }
  told.rotated = refreshed.refresh_token !== tokens.refresh_token
  if (auth !== 'none') told.alive = await client.tokenIntrospection(config, refreshed.access_token)
  await client.tokenRevocation(config, refreshed.refresh_token)
  if (auth !== 'none') told.revoked = await client.tokenIntrospection(config, refreshed.access_token)
  told.afterRevocation = await client.refreshTokenGrant(config, refreshed.refresh_token).then(
    () => 'it still works',
    (error) => error.error,
  )
  return told
}

const server = http.createServer(async (request, response) => {
  const url = new URL(request.url, home)
  try {
    const { to, told } = await pages[url.pathname](url)
    if (to) return response.writeHead(302, { location: to }).end()
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(told))
  } catch (error) {
    const told = { failure: error.error ?? error.code ?? error.name, message: error.message }
    response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify(told))
  }
})
server.listen(port, 'localhost', () => console.log('ready'))
