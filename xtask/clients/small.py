"""One call with one Python library: `small.py LIBRARY URL stream|message`; prints the text of the answer."""

import os
import sys

library, url, streams = sys.argv[1], sys.argv[2], sys.argv[3] == "stream"
KEY, MODEL, PROMPT = os.environ["ANTHROPIC_API_KEY"], "claude-haiku-4-5", "Hello there"


def litellm():
    import litellm

    messages = [{"role": "user", "content": PROMPT}]
    answer = litellm.completion(
        model=f"anthropic/{MODEL}", api_base=url, api_key=KEY, messages=messages, max_tokens=64, stream=streams
    )
    if not streams:
        return answer.choices[0].message.content
    return "".join(chunk.choices[0].delta.content or "" for chunk in answer)


def langchain():
    from langchain_anthropic import ChatAnthropic

    chat = ChatAnthropic(model=MODEL, base_url=url, api_key=KEY, max_tokens=64)
    return "".join(chunk.text for chunk in chat.stream(PROMPT)) if streams else chat.invoke(PROMPT).text


def pydantic_ai():
    from pydantic_ai import Agent
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    agent = Agent(AnthropicModel(MODEL, provider=AnthropicProvider(api_key=KEY, base_url=url)))
    if not streams:
        return agent.run_sync(PROMPT).output
    return agent.run_stream_sync(PROMPT).get_output()


print({"litellm": litellm, "langchain": langchain, "pydantic-ai": pydantic_ai}[library]())
