"""Prompts for the tokenizer, by what they try to break."""

PROMPTS = {
    "plain": (
        "a picture of a red house beside a lake",
        "The Old Bridge, at NIGHT: three boats & a moon",
        "portrait of a young sailor, oil on canvas, highly detailed, 8k",
        "unfathomable phosphorescence",
        "(masterpiece:1.3), [blurry], {sharp} <lora:ink:0.7> flat|shapes",
        "it's the painter's; they'll say we've, I'm, you'd and don't",
        "'s 't 're 've 'm 'll 'd IT'S DON'T",
    ),
    "empty": ("", " ", "\t\n", "\u00a0\u3000"),
    "numbers": ("7", "1887", "2.5 x 10", "1,024px 50%", "\u00be \u00b2 \u2167 \u0665 \uff17"),
    "punctuation": ("!", "!!", "what?!... no -- yes", "a_b-c/d\\e", "\u201ccurly\u201d \u2018quotes\u2019 \u2014 \u2026", "@#$%^&*()+=~`"),
    "letters": ("CAF\u00c9 na\u00efve \u00c5se", "e\u0301 and \u00e9", "\u0130zmir STRA\u1e9eE \u03a3\u039f\u03a6\u039f\u03a3", "\ufb01ne \u01c5", "\u039d\u03cd\u03c7\u03c4\u03b1 \u043d\u043e\u0447\u044c \u05dc\u05d9\u05dc\u05d4 \u0644\u064a\u0644"),
    "scripts": ("\u6d77\u8fba\u306e\u5bb6", "\ubc24\ubc14\ub2e4", "\u0930\u093e\u0924 \u0e17\u0e30\u0e40\u0e25", "sea\u6d77sea"),
    "emoji": ("\U0001f30a\U0001f30a", "a \U0001f436 on the beach \u2764\ufe0f", "\U0001f469\u200d\U0001f3a8 paints", "\U0001f1ec\U0001f1f7"),
    "spaces": ("  two   boats  ", "sea\u200bside wind\u00admill", "line\u2028one\u0085two\x0bthree"),
    "control": ("ring\x07ring", "a\x00b", "\ufffd and \ue001"),
    "special": ("<|endoftext|>", "a <|startoftext|> b", "<|EndOfText|>x", "low</w>er"),
    "long": ("boat " * 75, "boat " * 76, "a quiet sea, " * 40, "\U0001f30a" * 30, "7" * 90),
}
