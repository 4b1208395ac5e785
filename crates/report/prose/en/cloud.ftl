# The causes of the layer cloud.
cloud-aws-credentials = The AWS credentials are missing, invalid or expired
    .means = Amazon Bedrock did not accept the call because AWS cannot tell who is calling: there are no credentials, they have run out, or the signature is wrong. A key of the Claude Console does not count there. Temporary credentials and short-term Bedrock keys last for hours only.
    .run-1 = aws sso login
    .why-1 = Renews the credentials of a log-in through IAM Identity Center; set AWS_PROFILE first if you use several profiles.
    .run-2 = aws sts get-caller-identity
    .why-2 = Shows as whom AWS knows this shell, or why it does not; no secret is printed.
    .fix-3 = Renew or remove AWS_BEARER_TOKEN_BEDROCK if it is set; a short-term key in it lasts 12 hours at most.
    .fix-4 = Set the clock if the message says "Signature expired"; in WSL2 it stands still after the computer slept.

cloud-aws-access-denied = AWS forbids this call to the model
    .title = AWS forbids the call to { $model }
    .means = AWS knows who is calling, but does not permit it: a policy lacks the right to invoke the model, or the account has no access to it. Another credential of the same role changes nothing. The account's administrator has to act.
    .fix-1 = Ask the AWS administrator to permit bedrock:InvokeModel and bedrock:InvokeModelWithResponseStream on this model and its inference profile.
    .fix-2 = Request access to the Claude model in the Amazon Bedrock console, in the account and region that the program uses.
    .run-3 = aws sts get-caller-identity
    .why-3 = Shows account and role of the calls, for the administrator.
    .fix-4 = Ask the administrator to enable outbound web identity federation if the message says that it is disabled for your account (Claude Platform on AWS).

cloud-aws-model-invalid = Bedrock does not know this model id in this region
    .title = Bedrock does not know the model { $model } in this region
    .means = The model id, the region or the prefix of the inference profile do not fit together. Many Claude models are offered only through an inference profile, whose id begins with us., eu. or global., and not on demand under the bare model id. Ids of the Claude API are not valid there.
    .run-1 = aws bedrock list-inference-profiles --query 'inferenceProfileSummaries[].inferenceProfileId' --output text
    .why-1 = Lists the profile ids of the region in use; enter one of them as the model.
    .run-2 = aws bedrock list-foundation-models --by-provider anthropic --query 'modelSummaries[].modelId' --output text
    .why-2 = Lists the Claude models that the region has.
    .fix-3 = Set AWS_REGION to a region that matches the prefix of the id: us. goes with regions in the USA, eu. with those in Europe.

cloud-aws-throttled = The AWS quota for this model is reached
    .title = The AWS quota for { $model } is reached
    .means = Bedrock answers ThrottlingException: the account's requests or tokens per minute for this model and region are used up. That is a quota of your AWS account; status.claude.com does not show it. In a stream the name begins in lower case, throttlingException.
    .fix-1 = Repeat the call after a pause that grows from try to try, and run fewer calls at once.
    .fix-2 = Use a cross-region inference profile if the data may leave the region; it draws on the capacity of several.
    .fix-3 = Ask the AWS administrator to request a higher value for the model in the Service Quotas console, under Amazon Bedrock.
    .fix-4 = Shorten the prompts if the message says "Too many tokens".

cloud-gcp-credentials = The Google credentials are missing or expired
    .means = Vertex AI did not accept the call because the Google libraries find no valid Application Default Credentials. A log-in with gcloud alone is not enough, programs have a log-in of their own. After some time Google asks people to log in again, seen as invalid_grant or invalid_rapt.
    .run-1 = gcloud auth application-default login
    .why-1 = Renews the log-in that programs use.
    .run-2 = gcloud auth application-default print-access-token >/dev/null && echo valid
    .why-2 = Says whether the log-in is valid, without printing the token.
    .fix-3 = Correct GOOGLE_APPLICATION_CREDENTIALS if it is set: the file must exist, be readable and belong to a living service account.
    .fix-4 = Use a service account for servers and build machines, because a person's log-in runs out there.

cloud-gcp-model-unavailable = The model is not enabled in Vertex AI, or not in this region
    .title = { $model } is not enabled in this Google project, or not in its region
    .means = Google knows the caller, but the model cannot be reached in the project and region asked for: it was never enabled there, the region does not offer it, or the id is wrong. Ids on Vertex AI differ from those of the Claude API. Repeating does not help.
    .fix-1 = Enable the Claude model in Model Garden of the Google Cloud console, in the project that the program uses, and accept its terms.
    .fix-2 = Set CLOUD_ML_REGION to a region that offers the model, or to global.
    .fix-3 = Copy the model id from the model's page in Model Garden.
    .run-4 = printenv CLOUD_ML_REGION ANTHROPIC_VERTEX_PROJECT_ID
    .why-4 = Shows the region and the project that this shell hands to programs, in this order.

cloud-gcp-quota = The Google project's quota is reached, or zero
    .title = The Google project's quota for { $model } is reached, or zero
    .means = Vertex AI answers 429 RESOURCE_EXHAUSTED: the project's requests or tokens per minute for this model and region are used up. In new projects the quota is often zero, and then no waiting helps. It is a quota of your Google project, not of Anthropic.
    .fix-1 = Ask the project's administrator to look under IAM & Admin, Quotas in the Google Cloud console for the quota that the message names, and to request a higher one.
    .fix-2 = Repeat the call after a pause that grows from try to try if the quota is above zero, and run fewer calls at once.
    .fix-3 = Set CLOUD_ML_REGION to another region, or to global, where the project has a quota, if the data may be processed there.
