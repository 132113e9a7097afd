"""Chat models: services that read a prompt and answer in words, billed by the token.

::

    prompt    options and items of a question    opinion   what the model thinks of them
    answer    the words of a choice, and JSON    said      what it says instead
    openai, anthropic   the protocols, over conversation
"""
