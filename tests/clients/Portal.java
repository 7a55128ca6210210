// A portal on Nimbus' oauth2-oidc-sdk, the library below Spring Security: begins a sign-in, reads where the browser came
// back to, and tells what it learnt, as one line of JSON.
import com.nimbusds.oauth2.sdk.AuthorizationCode;
import com.nimbusds.oauth2.sdk.AuthorizationCodeGrant;
import com.nimbusds.oauth2.sdk.AuthorizationGrant;
import com.nimbusds.oauth2.sdk.RefreshTokenGrant;
import com.nimbusds.oauth2.sdk.ResponseType;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.TokenResponse;
import com.nimbusds.oauth2.sdk.auth.ClientSecretBasic;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.id.Issuer;
import com.nimbusds.oauth2.sdk.id.State;
import com.nimbusds.oauth2.sdk.pkce.CodeChallengeMethod;
import com.nimbusds.oauth2.sdk.pkce.CodeVerifier;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.openid.connect.sdk.AuthenticationRequest;
import com.nimbusds.openid.connect.sdk.AuthenticationResponse;
import com.nimbusds.openid.connect.sdk.AuthenticationResponseParser;
import com.nimbusds.openid.connect.sdk.LogoutRequest;
import com.nimbusds.openid.connect.sdk.Nonce;
import com.nimbusds.openid.connect.sdk.OIDCTokenResponse;
import com.nimbusds.openid.connect.sdk.OIDCTokenResponseParser;
import com.nimbusds.openid.connect.sdk.UserInfoRequest;
import com.nimbusds.openid.connect.sdk.UserInfoResponse;
import com.nimbusds.openid.connect.sdk.claims.IDTokenClaimsSet;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import com.nimbusds.openid.connect.sdk.token.OIDCTokens;
import com.nimbusds.openid.connect.sdk.validators.IDTokenValidator;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import net.minidev.json.JSONObject;

public class Portal {
  public static void main(String[] given) throws Exception {
    Issuer issuer = new Issuer(given[0]);
    ClientID clientId = new ClientID(given[1]);
    Secret secret = new Secret(given[2]);
    JWSAlgorithm algorithm = JWSAlgorithm.parse(given[3]);
    URI callback = URI.create(given[4]);
    OIDCProviderMetadata provider = OIDCProviderMetadata.resolve(issuer);
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));

    State state = new State();
    Nonce nonce = new Nonce();
    CodeVerifier verifier = new CodeVerifier();
    AuthenticationRequest begun =
        new AuthenticationRequest.Builder(ResponseType.CODE, Scope.parse(given[5]), clientId, callback)
            .endpointURI(provider.getAuthorizationEndpointURI())
            .state(state)
            .nonce(nonce)
            .codeChallenge(verifier, CodeChallengeMethod.S256)
            .build();
    System.out.println(begun.toURI());

    AuthenticationResponse answer = AuthenticationResponseParser.parse(URI.create(in.readLine()));
    if (!answer.indicatesSuccess()) {
      System.out.println(new JSONObject().appendField("failure", answer.toErrorResponse().getErrorObject().getCode()));
      return;
    }
    if (!state.equals(answer.getState()) || !issuer.equals(answer.getIssuer())) {
      System.out.println(new JSONObject().appendField("failure", "not the answer to this request (RFC 9207)"));
      return;
    }
    AuthorizationCode code = answer.toSuccessResponse().getAuthorizationCode();
    ClientSecretBasic proof = new ClientSecretBasic(clientId, secret);
    OIDCTokens tokens = ask(provider, proof, new AuthorizationCodeGrant(code, callback, verifier));

    IDTokenValidator validator = new IDTokenValidator(issuer, clientId, algorithm, provider.getJWKSetURI().toURL());
    IDTokenClaimsSet claims = validator.validate(tokens.getIDToken(), nonce);
    UserInfoResponse person =
        UserInfoResponse.parse(
            new UserInfoRequest(provider.getUserInfoEndpointURI(), tokens.getBearerAccessToken()).toHTTPRequest().send());
    OIDCTokens refreshed = ask(provider, proof, new RefreshTokenGrant(tokens.getRefreshToken()));
    IDTokenClaimsSet again = validator.validate(refreshed.getIDToken(), null);
    URI end =
        new LogoutRequest(
                provider.getEndSessionEndpointURI(),
                refreshed.getIDToken(),
                URI.create(given[6]),
                new State("back-from-logout"))
            .toURI();
    System.out.println(
        new JSONObject()
            .appendField("claims", claims.toJSONObject())
            .appendField("userinfo", person.toSuccessResponse().getUserInfo().toJSONObject())
            .appendField("refreshed", again.toJSONObject())
            .appendField("rotated", !refreshed.getRefreshToken().equals(tokens.getRefreshToken()))
            .appendField("logout", end.toString()));
  }

  private static OIDCTokens ask(OIDCProviderMetadata provider, ClientSecretBasic proof, AuthorizationGrant grant)
      throws Exception {
    TokenRequest request = new TokenRequest(provider.getTokenEndpointURI(), proof, grant, null);
    TokenResponse response = OIDCTokenResponseParser.parse(request.toHTTPRequest().send());
    if (!response.indicatesSuccess()) {
      throw new IllegalStateException(response.toErrorResponse().getErrorObject().toString());
    }
    return ((OIDCTokenResponse) response.toSuccessResponse()).getOIDCTokens();
  }
}
