package fault

// Code names a fault for programs. A code never changes its meaning; it is the last part of the address of its page.
type Code string

// The codes. Each has its page, made from codes below.
const (
	InternalError       Code = "internal_error"
	MalformedBody       Code = "malformed_body"
	UnknownField        Code = "unknown_field"
	InvalidField        Code = "invalid_field"
	MissingField        Code = "missing_field"
	BodyTooLarge        Code = "body_too_large"
	TooManyItems        Code = "too_many_items"
	InvalidCursor       Code = "invalid_cursor"
	NoCredentials       Code = "no_credentials"
	BadCredentials      Code = "bad_credentials"
	KeyExpired          Code = "key_expired"
	KeyRevoked          Code = "key_revoked"
	ScopeMissing        Code = "scope_missing"
	AddressNotAllowed   Code = "address_not_allowed"
	OriginNotAllowed    Code = "origin_not_allowed"
	AccountInactive     Code = "account_inactive"
	NotEnabled          Code = "not_enabled"
	NotHere             Code = "not_found"
	MethodNotAllowed    Code = "method_not_allowed"
	InvalidRecipient    Code = "invalid_recipient"
	InvalidSender       Code = "invalid_sender"
	RecipientOptedOut   Code = "recipient_opted_out"
	CountryNotAllowed   Code = "country_not_allowed"
	SenderNotRegistered Code = "sender_not_registered"
	RepeatedMessage     Code = "repeated_message"
	EmptyText           Code = "empty_text"
	TextTooLong         Code = "text_too_long"
	InvalidSchedule     Code = "invalid_schedule"
	InvalidValidity     Code = "invalid_validity"
	MetadataTooLarge    Code = "metadata_too_large"
	NoChannel           Code = "no_channel"
	NotLinked           Code = "not_linked"
	NotConnected        Code = "not_connected"
	NoAnswer            Code = "no_answer"
	NotSupported        Code = "not_supported"
	NetworkRefused      Code = "network_refused"
	DeviceLimit         Code = "device_limit"
	InsufficientBalance Code = "insufficient_balance"
	SpendLimit          Code = "spend_limit"
	NoShortLink         Code = "no_short_link"
	NoPrice             Code = "no_price"
	KeyReused           Code = "idempotency_key_reused"
	StillRunning        Code = "request_in_progress"
	ReferenceTaken      Code = "reference_taken"
	NotCancellable      Code = "not_cancellable"
	NotInDoubt          Code = "not_in_doubt"
	AlreadyThere        Code = "already_exists"
	StillUsed           Code = "still_used"
	ChannelInUse        Code = "channel_in_use"
	URLNotAllowed       Code = "url_not_allowed"
	UnsupportedContent  Code = "unsupported_content"
	UnsupportedMedia    Code = "unsupported_media"
	EmptyMedia          Code = "empty_media"
	MediaTooLarge       Code = "media_too_large"
	MediaUnavailable    Code = "media_unavailable"
	RateLimited         Code = "rate_limited"
	QueueFull           Code = "queue_full"
	DiskFull            Code = "disk_full"
	NotReady            Code = "not_ready"
)

// Page explains a code to whoever met it: what it means, what to do.
type Page struct {
	Kind  Kind
	Title string
	Cause string
	Cure  string
}

// Kind is the kind of trouble the code stands for.
func (c Code) Kind() Kind { return codes[c].Kind }

// Page is the explanation of the code; ok is false for a code nobody knows.
func (c Code) Page() (page Page, ok bool) { page, ok = codes[c]; return page, ok }

// Codes lists every code with its page.
func Codes() map[Code]Page { return codes }

var codes = map[Code]Page{
	InternalError:       {Internal, "Something went wrong on our side", "The server met an error it did not expect. Nothing was changed.", "Try again with the same Idempotency-Key. If it stays, give the request id to the operator: the log has the cause under it."},
	MalformedBody:       {Malformed, "The body cannot be read", "The body is not valid JSON, holds a key twice, is nested too deeply, has text after its end, or holds a value of the wrong type.", "Send one JSON object as the reference shows. The detail says where reading stopped."},
	UnknownField:        {Malformed, "The body has a field we do not know", "A key in the body is not part of this request; a misspelt key would otherwise be ignored in silence.", "Remove the key or correct its spelling and case."},
	InvalidField:        {Invalid, "A field has a value that makes no sense", "The named field is outside what it may be.", "Read the detail and the reference of that field."},
	MissingField:        {Invalid, "A field is missing", "The named field is required.", "Add the field."},
	BodyTooLarge:        {TooLarge, "The body is too large", "Bodies may hold 1 MiB, batches 16 MiB.", "Send less in one request."},
	TooManyItems:        {TooLarge, "Too many items in one request", "A batch may hold 1,000 messages. Nothing of it was accepted.", "Split the batch."},
	InvalidCursor:       {Invalid, "The cursor is not one of yours", "The cursor was not given out by this list, or belongs to another account.", "Start again without a cursor and follow next_cursor as it is."},
	NoCredentials:       {Unauthorized, "No API key", "The request has no Authorization header.", "Send `Authorization: Bearer td_live_...`."},
	BadCredentials:      {Unauthorized, "The API key is not known", "The key is misspelt, or was never given out by this server.", "Check the key for missing characters; make a new one when it is lost."},
	KeyExpired:          {Unauthorized, "The API key has expired", "Every key has an end date.", "Make a new key."},
	KeyRevoked:          {Unauthorized, "The API key was revoked", "Someone with rights over the account took the key back.", "Make a new key."},
	ScopeMissing:        {Forbidden, "The key may not do this", "The key lacks the scope that the detail names.", "Use a key with that scope."},
	AddressNotAllowed:   {Forbidden, "The key may not be used from this address", "The key has a list of addresses, and the request came from another.", "Send from an allowed address or change the list."},
	OriginNotAllowed:    {Forbidden, "The key may not be used from this web page", "The browser's Origin is not on the key's list.", "Add the origin to the key."},
	AccountInactive:     {Forbidden, "The account is not active", "The account was suspended or closed.", "Ask the operator."},
	NotEnabled:          {Forbidden, "This is turned off on this server", "Whoever runs the server has not turned on what was asked for.", "Ask the operator."},
	NotHere:             {NotFound, "There is no such thing", "The id is unknown, or belongs to another account.", "Check the id and the key you use."},
	MethodNotAllowed:    {Malformed, "The method is not allowed here", "The address exists and answers other methods.", "Use a method from the Allow header."},
	InvalidRecipient:    {Invalid, "The recipient is no address we can send to", "The number is not possible in its country, or has no country code.", "Give numbers as +E.164, such as +254701234567, or in the national form of the account's region."},
	InvalidSender:       {Invalid, "The sender cannot be used", "An alphanumeric sender has 1 to 11 letters, digits or - _ . & and at least one letter; a number must be possible.", "Correct the sender, or leave it out to use the channel's own."},
	RecipientOptedOut:   {Invalid, "The recipient does not want messages", "The recipient answered STOP, or was put on the opt-out list.", "Do not send. A START from the recipient lifts it."},
	CountryNotAllowed:   {Invalid, "The account does not send to this country", "The policy of the account lists the countries that it sends to, and the recipient's number is not of one of them, or does not tell its country.", "Correct the number, or add the country to the policy."},
	SenderNotRegistered: {Invalid, "The sender is not registered for this country", "Messages to the recipient's country need a sender that was approved for it; the operator and the policy of the account say which countries those are.", "Use a sender that was approved, or ask for its registration. To try it out, send to the account's own number alone."},
	RepeatedMessage:     {Invalid, "The same message was sent a moment ago", "An identical message to this recipient was accepted within the time that the account, or the API which is used, sets for repeats.", "Nothing, if it was a repeat by mistake. Otherwise wait, change the text, or change the policy of the account."},
	EmptyText:           {Invalid, "The text is empty", "A message needs at least one visible character.", "Give a text."},
	TextTooLong:         {Invalid, "The text is too long", "The text needs more parts than the network can join (255), or than the policy of the account allows.", "Shorten it. Nothing was sent or charged."},
	InvalidSchedule:     {Invalid, "The scheduled time cannot be kept", "A message may be scheduled from now to one year ahead.", "Give a time in the future with its zone, such as 2027-01-31T09:00:00Z."},
	InvalidValidity:     {Invalid, "The validity cannot be kept", "A message must be valid for at least a minute and at most seven days after it may first be sent.", "Change valid_until or validity."},
	MetadataTooLarge:    {Invalid, "The metadata is too large", "Metadata may hold 1 KB as JSON.", "Keep large things on your side and put their id into client_reference."},
	NoChannel:           {Invalid, "There is no channel for this message", "The named channel does not exist or the account has no default channel of this kind.", "Name a channel of the account or ask the operator for a default."},
	NotLinked:           {Invalid, "The channel is not linked to a phone", "A channel of linked devices sends once somebody's phone has linked it. It never was, or the phone has logged it out. Nothing was stored.", "Link it: ask for a QR code or a pairing code of the device."},
	NotConnected:        {Conflict, "The device is not connected", "What was asked needs a live session of the device, and there is none now; its state tells why.", "Try again once the state of the device is up. Messages are taken meanwhile."},
	NoAnswer:            {Unavailable, "The device did not answer in time", "The network or the server that has the session took longer than five seconds.", "Try again."},
	NotSupported:        {Invalid, "The channel cannot do this", "Its network or its driver has no such ability.", "Use a channel that has it."},
	NetworkRefused:      {Invalid, "The network refused", "The network answered that it does not do what was asked; the detail has its reason.", "Read the detail."},
	DeviceLimit:         {Forbidden, "The account has as many devices as it may have", "The plan of the account says how many devices it may have with its subaccounts.", "Delete a device, or ask the operator for another plan."},
	InsufficientBalance: {NoBalance, "The balance does not cover the message", "The wallet holds less than the price of the message and its limit.", "Top up the wallet and send again with the same Idempotency-Key."},
	SpendLimit:          {NoBalance, "The key has spent what it may in a day", "The API key has a limit for what its messages cost in a day of UTC, and the message is over it.", "Wait until midnight UTC, or have the limit of the key raised; then send again with the same Idempotency-Key."},
	NoShortLink:         {Unavailable, "No short link could be made", "Each code that was drawn for a short link of the text belonged to another one. Nothing of the message was stored or charged.", "Send again with the same Idempotency-Key, or without short links."},
	NoPrice:             {Invalid, "There is no price for this destination", "The price book is on and has no prefix that matches the recipient.", "Ask the operator to price the destination."},
	KeyReused:           {Invalid, "The idempotency key was used for another request", "The key was seen within seven days with a different body.", "Use a fresh key for a new request; repeat a request with exactly the same body."},
	StillRunning:        {Conflict, "The same request is still running", "Another request with this idempotency key has not finished.", "Wait a second and repeat it."},
	ReferenceTaken:      {Conflict, "The client reference is taken", "A message with this client_reference was accepted within 30 days; its id is in existing_id.", "Read that message, or use another reference."},
	NotCancellable:      {Conflict, "The message can no longer be cancelled", "It was handed to the network or has ended.", "Nothing; its journey tells what became of it."},
	NotInDoubt:          {Conflict, "Nothing about the message is to be decided", "Its outcome is known, or its validity has ended.", "Nothing; its journey tells what became of it."},
	AlreadyThere:        {Conflict, "It is there already", "Something with this name or address exists.", "Use the existing one."},
	StillUsed:           {Conflict, "It is still used", "Something else depends on it.", "Change what uses it first."},
	ChannelInUse:        {Conflict, "Messages wait in the channel", "The change would leave messages that wait in the channel without a way out.", "Wait until they are sent, or cancel them; draining the channel does not send them."},
	URLNotAllowed:       {Invalid, "The address may not be called", "The URL is not http or https, names a port that is not allowed, or leads into a private or reserved network.", "Give a public https URL. The operator can allow private networks."},
	UnsupportedContent:  {Invalid, "The channel does not carry this", "The channel's network has no content of this type, or not for this recipient.", "Send a text, or name a channel that carries the type; GET /channels tells which do."},
	UnsupportedMedia:    {Invalid, "The file is not of a type that is taken", "What the file is, by its own bytes, is not what contents of this type show. Its name and what the request calls it do not count.", "Convert the file, or send it as a document."},
	EmptyMedia:          {Invalid, "The file is empty", "The file has no bytes.", "Send the file's bytes."},
	MediaTooLarge:       {TooLarge, "The file is too large", "Each type of content has a limit for its file; the detail tells it.", "Make the file smaller, or send it as a document. The operator can change the limits."},
	MediaUnavailable:    {Invalid, "The file cannot be fetched", "The address of the file leads nowhere, or its server refuses.", "Give an address that everybody can read without signing in."},
	RateLimited:         {TooMany, "Too many requests", "The key or the account is over its rate.", "Wait as long as Retry-After says."},
	QueueFull:           {Unavailable, "The queue is full", "The account has as many waiting messages as it may have.", "Wait as long as Retry-After says, then send again with the same Idempotency-Key."},
	DiskFull:            {Unavailable, "The server cannot take more now", "The disk is below its floor; what was accepted is still being sent.", "Wait as long as Retry-After says; the operator must free space."},
	NotReady:            {Unavailable, "The server is starting or stopping", "It does not take requests at this moment.", "Wait as long as Retry-After says."},
}
