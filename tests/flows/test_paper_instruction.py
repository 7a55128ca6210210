"""pages.md A31: the words of the paper instruction that people hold in their hands stand on the pages, in its order.

«Veillez choisir» and the like are corrected on the pages (pages.md 0.1); «Veillez toujours clôturer» is right.
"""

import re

import pytest
from visitor import Visitor

STEPS = [
    "Identification",
    "Données d'utilisateur",
    "Confirmer l'e-mail",
    "Sélection à deux facteurs",
    "Confirmez les deux facteurs",
]
ENROLMENT = "Assurés ou bénéficiaires de rente"
RULES = "chiffres, minuscules, majuscules, caractères spéciaux"
PAPER = {
    "audience/choice": ["Veuillez choisir", ENROLMENT],
    "sign_in/credentials": [
        "Connexion",
        'Pour la première connexion, veuillez cliquer sur "S\'enregistrer →". Pour vous connecter à nouveau, veuillez '
        "utiliser votre nom d'utilisateur (e-mail ou numéro d'assurance sociale) et votre mot de passe.",
        "Nom d'utilisateur",
        "Mot de passe",
        "Suivant",
        "J'ai oublié mon mot de passe →",
        "S'enregistrer →",
    ],
    "enrol/identification": [
        *STEPS,
        ENROLMENT,
        "Veuillez entrer les identifiants.",
        "Vous trouverez votre numéro d'assurance sociale ainsi que votre code d'activation sur votre attestation de "
        "rentes (à partir de 2022).",
        "Adresse e-mail ou numéro d'assurance sociale (756.xxxx.yyyy.zz)",
        "Date de naissance",
        "JJ.MM.AAAA",
        "Code d'activation",
        "Nous vous prions de bien vouloir lire les conditions d'utilisation et de les accepter.",
        "J'ai lu les conditions d'utilisation et je les accepte.",
        "Suivant",
        "Annuler",
    ],
    "enrol/user-data": [
        *STEPS,
        ENROLMENT,
        "Veuillez entrer vos données d'utilisateur et votre nouveau mot de passe. Le mot de passe doit comporter au "
        f"moins 8 caractères et contenir des caractères des groupes suivants : {RULES}.",
        "Adresse e-mail",
        "Un email contenant le code de confirmation sera immédiatement envoyé à l'adresse indiquée. Si celui-ci n'est "
        "pas visible dans votre boîte de réception, veuillez vérifier dans vos spams.",
        "Mot de passe",
        "Répéter le mot de passe",
        "Retour",
        "Suivant",
        "Annuler",
    ],
    "enrol/confirm-email": [
        *STEPS,
        ENROLMENT,
        "Veuillez entrer le code de confirmation qui a été envoyé à l'adresse e-mail",
        "Code de confirmation",
        "Retour",
        "Suivant",
        "Annuler",
    ],
    "enrol/second-factor": [
        "L'accès à votre compte utilisateur est en outre protégé par une authentification à deux facteurs.",
        "Veuillez choisir la méthode que vous préférez",
        "Message texte sur un numéro de mobile",
        "Application Authenticator",
    ],
    "enrol/second-factor-details/sms": [
        "Configurer l'authentification à deux facteurs «numéro de mobile»",
        "Veuillez entrer le numéro de mobile sur lequel vous souhaitez que le code d'authentification vous soit "
        "envoyé.",
    ],
    "enrol/confirm-second-factor/sms": ["Un code d'activation", "par SMS", "Veuillez reporter le code d'activation."],
    "enrol/confirm-second-factor/totp": [
        "Veuillez scanner le QR-code à l'aide de «l'application Authenticator» et entrer le code d'activation de "
        "l'application Authenticator.",
    ],
    "enrol/done": [
        "Vous avez réussi.",
        "A partir de maintenant, le portail en ligne «myVPK» vous est disponible à tout moment.",
        "Veillez toujours clôturer votre session protégée «myVPK» avec la fonction de programme «Déconnexion».",
    ],
}


def words(html: str) -> str:
    """What is read on the page, any blank as one blank."""
    shown = re.sub(r"<(head|header|footer|dialog)\b.*?</\1>|<[^>]+>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", shown.replace("\u2060", ""))


@pytest.mark.parametrize("name", PAPER)
def test_the_words_of_the_paper_stand_on_the_page_in_its_order(visitor: Visitor, name: str) -> None:
    read, place = words(visitor.open(f"/dev/pages/{name}", lang="fr").text), 0

    for sentence in PAPER[name]:
        found = read.find(sentence, place)
        assert found >= 0, f"«{sentence}» is not on the page, or not where the paper has it:\n{read[place:]}"
        place = found + len(sentence)


def test_no_page_has_the_typing_errors_of_the_paper(visitor: Visitor) -> None:
    names = re.findall(r'href="/dev/pages/([^?"]+)\?', visitor.open("/dev/pages").text)

    read = " ".join(words(visitor.open(f"/dev/pages/{name}", lang="fr").text) for name in dict.fromkeys(names))

    assert "Veillez toujours" in read
    assert re.findall(r"Veillez (?!toujours)\w+", read) == []
