"""The fund's register of pensioners, and the letters that let them enrol.

What people type, read tolerantly (pages.md 2.2):
    spelling.py         blanks, dashes, digits of every kind
    ahv_number.py       the AHV number: read, shown, masked
    birth_date.py       the date of birth in ten spellings and four languages
    activation_code.py  the code on the letter: drawn, printed, read

What is kept:
    models.py           Pensioner, ActivationCode, RegisterImport
    register/           the import of the fund's file: read, staged, compared, written in one transaction
    codes.py            new activation codes for everybody who has no account, as a file for the fund's printing
    letters.py          the same as letters: one page a person, in their own language
    campaigns.py        what became of the codes
    retention.py        what is forgotten of them, and when
    printing_file.py, private_file.py, typesetting.py, swiss_time.py, batches.py: what these are made with

What others ask for:
    activation.py       step 1 of the enrolment and its end: who is this, and one account per person
    own_words.py        what makes a password weak because it is the person's own
    claims.py           what the register knows of an account, for ID token and userinfo
    commands.py         `idp register …`
    demo.py             the fictive register of `make run`

This package knows `idp` and `keys`; it knows no flow, no page and no console.
"""
