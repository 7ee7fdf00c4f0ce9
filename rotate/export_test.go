package rotate

// The transitions, for the map of what each of them changes.
var (
	CopyState         = copyState
	AsOf              = State.asOf
	Reckoned          = State.reckoned
	Restarted         = State.restarted
	MoveBegin         = (*State).begin
	MoveStored        = (*State).stored
	MoveRestored      = (*State).restored
	MovePublishing    = (*State).publishing
	MovePublished     = (*State).published
	MoveVerified      = (*State).verified
	MoveActivated     = (*State).activated
	MoveHeed          = (*State).heed
	MoveDestroyed     = (*State).destroyed
	MoveRevoking      = (*State).revoking
	MoveRevoked       = (*State).revoked
	MoveTakeFlight    = (*State).takeFlight
	MoveLeaving       = (*State).leaving
	MoveLeft          = (*State).left
	MoveAllLeft       = (*State).allLeft
	MovePurged        = (*State).purged
	MoveAdopting      = (*State).adopting
	MoveAdopted       = (*State).adopted
	MoveFound         = (*State).found
	MoveAfterWildcard = (*State).afterWildcard
	Suspect           = State.suspect
	Doomed            = State.doomed
	Spares            = State.spares
)

// Instructed returns a state as an instruction leaves it.
var Instructed = ordered
