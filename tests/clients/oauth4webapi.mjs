// A program on npm's oauth4webapi: pushes a request bound to a DPoP key, is told the callback, and tells what it learnt.
import readline from 'node:readline/promises'
import * as oauth from 'oauth4webapi'

const { issuer, clientId, secret, redirectUri, scope } = JSON.parse(process.env.PROGRAM)
const insecure = { [oauth.allowInsecureRequests]: true }
const url = new URL(issuer)
const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, insecure))
const client = { client_id: clientId, id_token_signed_response_alg: 'ES256' }
const auth = oauth.ClientSecretPost(secret)
const keys = await oauth.generateKeyPair('ES256')
const DPoP = oauth.DPoP(client, keys)
const bound = { DPoP, ...insecure }

const verifier = oauth.generateRandomCodeVerifier()
const nonce = oauth.generateRandomNonce()
const state = oauth.generateRandomState()
const wishes = {
  client_id: clientId, redirect_uri: redirectUri, response_type: 'code', scope, state, nonce,
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
}
const pushed = await oauth.processPushedAuthorizationResponse(as, client,
  await oauth.pushedAuthorizationRequest(as, client, auth, wishes, bound))
const to = new URL(as.authorization_endpoint)
to.search = new URLSearchParams({ client_id: clientId, request_uri: pushed.request_uri })
console.log(JSON.stringify({ to: to.href }))

const lines = readline.createInterface({ input: process.stdin })
const callback = new URL((await lines[Symbol.asyncIterator]().next()).value)
lines.close()
const params = oauth.validateAuthResponse(as, client, callback, state)
const tokens = await oauth.processAuthorizationCodeResponse(as, client,
  await oauth.authorizationCodeGrantRequest(as, client, auth, params, redirectUri, verifier, bound),
  { expectedNonce: nonce, requireIdToken: true })
const claims = oauth.getValidatedIdTokenClaims(tokens)
const userinfo = await oauth.processUserInfoResponse(as, client, claims.sub,
  await oauth.userInfoRequest(as, client, tokens.access_token, bound))

// A thief: the same token with another key, and without any.
const thief = { DPoP: oauth.DPoP(client, await oauth.generateKeyPair('ES256')), ...insecure }
const stolen = await oauth.protectedResourceRequest(tokens.access_token, 'GET', new URL(as.userinfo_endpoint),
  undefined, undefined, thief).then((answer) => answer.status, (error) => error.status ?? error.cause?.[0]?.parameters?.error)

const refreshed = await oauth.processRefreshTokenResponse(as, client,
  await oauth.refreshTokenGrantRequest(as, client, auth, tokens.refresh_token, bound))
const alive = await oauth.processIntrospectionResponse(as, client,
  await oauth.introspectionRequest(as, client, auth, refreshed.access_token, insecure))
await oauth.processRevocationResponse(
  await oauth.revocationRequest(as, client, auth, refreshed.refresh_token, insecure))
const dead = await oauth.processIntrospectionResponse(as, client,
  await oauth.introspectionRequest(as, client, auth, refreshed.access_token, insecure))
console.log(JSON.stringify({
  claims, userinfo, stolen, alive, dead, type: tokens.token_type, rotated: refreshed.refresh_token !== tokens.refresh_token,
}))
